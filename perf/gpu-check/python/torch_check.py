"""A small training step and an inference loop in PyTorch: the same numbers and about the same time, whichever libcuda.so.1 is found.

Prints one JSON object: losses and the trained weights as exact hexadecimal floats and hashes, and milliseconds a step. Seeds are fixed and
algorithms deterministic, so that two runs on one GPU give the same bits.
"""
import hashlib
import json
import os
import sys
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
import torch  # noqa: E402

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
torch.manual_seed(20261121)
torch.use_deterministic_algorithms(True)
torch.backends.cudnn.benchmark = False

if not torch.cuda.is_available():
    print(json.dumps({"error": "torch finds no CUDA device"}))
    sys.exit(3)
device = torch.device("cuda:0")


def digest(tensors):
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(tensor.detach().float().cpu().numpy().tobytes())
    return sha.hexdigest()[:32]


model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 32, 3, padding=1), torch.nn.BatchNorm2d(32), torch.nn.ReLU(),
    torch.nn.Conv2d(32, 64, 3, stride=2, padding=1), torch.nn.BatchNorm2d(64), torch.nn.ReLU(),
    torch.nn.Flatten(), torch.nn.Linear(64 * 16 * 16, 512), torch.nn.GELU(), torch.nn.Linear(512, 10),
).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
images = torch.randn(128, 3, 32, 32)
labels = torch.randint(0, 10, (128,))
pinned = images.pin_memory()

losses, times = [], []
for step in range(STEPS):
    begin = time.perf_counter()
    x = pinned.to(device, non_blocking=True)
    y = labels.to(device)
    optimizer.zero_grad(set_to_none=True)
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())  # waits
    times.append(time.perf_counter() - begin)

model.eval()
answers, waits = [], []
with torch.no_grad():
    for step in range(STEPS):
        begin = time.perf_counter()
        out = model(pinned[step % 128: step % 128 + 1].to(device, non_blocking=True)).softmax(1).cpu()
        waits.append(time.perf_counter() - begin)
        answers.append(out)


def median_ms(values):
    values = sorted(values[len(values) // 3:])
    return values[len(values) // 2] * 1e3


print(json.dumps({
    "torch": torch.__version__, "cuda": torch.version.cuda, "device": torch.cuda.get_device_name(0),
    "losses": [loss.hex() for loss in losses], "weights": digest(model.parameters()), "answers": digest(answers),
    "training_ms": median_ms(times), "inference_ms": median_ms(waits),
}))
