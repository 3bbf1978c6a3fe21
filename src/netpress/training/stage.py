"""What a stage is: a value. `loop.py` runs it."""

from dataclasses import dataclass

OF_LOGITS = ("cross-entropy", "distillation", "labels-and-soft-targets", "function-matching")  # losses that see them


@dataclass(frozen=True)
class Stage:
    """One phase of a run: which loss, which parameters train, for how long, taught by whom."""

    name: str
    loss: str = "cross-entropy"  # a name in losses.OBJECTIVES
    trains: tuple[str, ...] = ()  # names of blocks (and "head"); () = all. The rest is frozen and in eval mode
    at: str | None = None  # the block whose output the loss sees; None = the logits
    teacher: str | None = None  # the role, in the run's needs, of the network that teaches
    epochs: int = 1
    batch_size: int = 64
    optimiser: str = "sgd"  # "sgd", with Nesterov's momentum; "adam", which has its own
    lr: float = 0.05  # peak learning rate
    schedule: str = "one-cycle"  # "one-cycle", "three-phase", "cosine" or "constant"
    weight_decay: float = 5e-4
    momentum: float = 0.9  # of SGD
    view: str = "plain"  # a name in data.views.VIEWS: what the student sees
    teacher_view: str | None = None  # None = the very same pixels as the student
    temperature: float = 1.0
    alpha: float = 1.0  # weight of the soft targets; that of the labels is the loss's affair
    scaled: bool = False  # soft part times T^2 (Hinton et al. 2015)
    looks: tuple[int, ...] = ()  # steps after which the test accuracy is measured too, beside every epoch's end
    shared: bool = False  # its weights serve every run that begins with the same steps

    @property
    def sees_logits(self) -> bool:
        """Whether the loss sees the network's logits, so that its accuracy is known too."""
        return self.loss in OF_LOGITS
