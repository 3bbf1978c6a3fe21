"""The network in network.safetensors, which lies beside this file. Needs torch alone.

    net = Network()                      # (N, 3, px, px), float32, 0 to 1 -> logits (N, classes)
    net(images).argmax(1)                # net.classes has the names

The file holds the tensors, and in its header the operations of PyTorch in order. Weights are parameters and may be
trained further; BatchNorm keeps its statistics.
"""

import json
import operator
from pathlib import Path

import torch

FILE = Path(__file__).with_name("network.safetensors")
TYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "I64": torch.int64, "BOOL": torch.bool}


class Network(torch.nn.Module):
    def __init__(self, file=FILE):
        super().__init__()
        raw = bytearray(Path(file).read_bytes())
        start = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:start])
        about = json.loads(header.pop("__metadata__")["network"])
        self.graph, self.classes, self.px = about["graph"], about["classes"], about["px"]
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            data = raw[start + begin : start + end]
            tensor = torch.frombuffer(data, dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
            trains = name in self.graph["trains"]
            held = torch.nn.Parameter(tensor) if trains else torch.nn.Buffer(tensor)
            setattr(self, name.replace(".", "/"), held)

    def forward(self, images):
        known = {"images": images}
        known |= {key: getattr(self, name.replace(".", "/")) for key, name in self.graph["tensors"].items()}
        for name, called, arguments, options in self.graph["calls"]:
            owner = torch.ops if called.startswith("aten.") else operator
            function = operator.attrgetter(called)(owner)
            known[name] = function(*filled(arguments, known), **filled(options, known))
        return known[self.graph["output"]]


def filled(argument, known):
    if isinstance(argument, list):
        return [filled(part, known) for part in argument]
    if isinstance(argument, dict) and "value" in argument:
        return known[argument["value"]]
    if isinstance(argument, dict) and "torch" in argument:
        return getattr(torch, argument["torch"])
    return {key: filled(part, known) for key, part in argument.items()} if isinstance(argument, dict) else argument
