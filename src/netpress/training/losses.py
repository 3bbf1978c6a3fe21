"""Losses as free functions of tensors: scalars, the mean over the batch, in float32 or better.

Logits are (N, classes), labels int64 (N,), maps (N, c, h, w). Half-precision inputs are summed in float32,
since a sum of squares over a whole map leaves bfloat16 with two digits. Nothing here waits for the device.
Student and teacher have one shape, else UserError.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from netpress.errors import UserError


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label]: the loss of hard targets."""
    return F.cross_entropy(_exact(logits), labels)


def squared_l2(student: Tensor, teacher: Tensor) -> Tensor:
    """(1/N) sum_n ||vec(student_n - teacher_n)||^2: triage, eq. 3; pyramid, section 4.1, "L2-loss".

    Both (N, ...) of one shape.
    """
    student, teacher = _paired(student, teacher)
    if student.dim() == 4 and student.is_contiguous(memory_format=torch.channels_last):
        student, teacher = student.permute(0, 2, 3, 1), teacher.permute(0, 2, 3, 1)  # as they lie in memory
    return F.mse_loss(student.flatten(), teacher.flatten(), reduction="sum") / len(student)


def hint(student: Tensor, teacher: Tensor) -> Tensor:
    """(1/N) sum_n 1/2 ||student_n - teacher_n||^2: FitNets, Romero et al. (2014), eq. 3.

    Without their regressor, which brings the student's map to the teacher's shape: here the shapes agree.
    """
    return 0.5 * squared_l2(student, teacher)


def gram(first: Tensor, last: Tensor) -> Tensor:
    """G[n,i,j] = sum over s,t of first[n,i,s,t] last[n,j,s,t] / (h w): pyramid, section 4.1.

    As Yim et al. (2017), eq. 1. (N, m, h, w), (N, c, h, w) -> (N, m, c). The larger map is max-pooled to the
    smaller one's size, as they do.
    """
    size = min(first.shape[2:], last.shape[2:])
    with torch.autocast(first.device.type, enabled=False):
        one, two = (_pixels(_exact(_pooled(x, size))) for x in (first, last))
        return one.mT @ two / (size[0] * size[1])


def soft_targets(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """(1/N) sum_n -sum_i q_t,i log q_s,i with q = softmax(z / T): compressing, section III.B.

    T is the temperature (1 or more in practice); Hinton et al. (2015), eq. 1.
    """
    student, teacher = _paired(logits, teacher_logits)
    wanted = F.softmax(teacher / temperature, dim=1)
    return -(wanted * F.log_softmax(student / temperature, dim=1)).sum(dim=1).mean()


def distillation(
    logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float,
    alpha: float,
    scaled: bool = False,
) -> Tensor:
    """alpha * soft targets + (1 - alpha) * hard targets: compressing, section III.B.

    `scaled` multiplies the soft part by T^2, which keeps its gradients' size as T grows: Hinton et al.
    (2015), section 2.
    """
    soft = soft_targets(logits, teacher_logits, temperature) * (temperature**2 if scaled else 1.0)
    return alpha * soft + (1 - alpha) * cross_entropy(logits, labels)


def labels_and_soft_targets(
    logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float, weight: float
) -> Tensor:
    """Hard targets + weight * soft targets: Romero et al. (2015), section 2.1, the second stage of FitNet.

    The labels' weight stays 1, so that FitNet can be trained at the learning rate of the other methods.
    """
    return cross_entropy(logits, labels) + weight * soft_targets(logits, teacher_logits, temperature)


def function_matching(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """(1/N) sum_n KL(p_t || p_s), KL = sum_i [-p_t,i log p_s,i + p_t,i log p_t,i].

    compressing, section III.B; Beyer et al. (2022), section 3.
    """
    student, teacher = (F.log_softmax(z, dim=1) for z in _paired(logits, teacher_logits))
    return (teacher.exp() * (teacher - student)).sum(dim=1).mean()


def top1_agreement(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """The fraction of images to which student and teacher give the same class. It has no gradient."""
    student, teacher = _paired(logits, teacher_logits)
    return (student.argmax(dim=1) == teacher.argmax(dim=1)).float().mean()


def _paired(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides in float32 or better. Raises UserError where their shapes differ: they would be broadcast, or compared
    number by number in the wrong order."""
    if student.shape != teacher.shape:
        raise UserError(
            f"A loss compares outputs of one shape, and the student's is {tuple(student.shape)} and the teacher's "
            f"{tuple(teacher.shape)}: let both be of the same layer and the same number of classes."
        )
    return _exact(student), _exact(teacher)


def _exact(x: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _pooled(x: Tensor, size: torch.Size) -> Tensor:
    """Max-pooled to a size that x was halved to before: floor(H / floor(H/h)) = h for every such h."""
    kernel = (x.shape[2] // size[0], x.shape[3] // size[1])
    return x if kernel == (1, 1) else F.max_pool2d(x, kernel)


def _pixels(x: Tensor) -> Tensor:
    """(N, c, h, w) -> (N, h w, c), which copies nothing where channels come last in memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)
