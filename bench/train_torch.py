"""PyTorch's side of bench/train.ts: a training step of a Llama of the same shape, on the same batch, in eager mode.

Reads one JSON line with the shape and the batch from stdin, then runs one step for every further line and answers with
its time in ms, by the clock and of the CPU. Written the way one would: scaled_dot_product_attention with a mask, logits of response tokens only,
fused AdamW. A yardstick, never a dependency.
"""

import json
import math
import sys
import time

import torch
import torch.nn.functional as F

setup = json.loads(sys.stdin.readline())
torch.set_num_threads(setup["threads"])
torch.manual_seed(1)
D, LAYERS, HEADS, KV, FF, V = (setup[k] for k in ("embedding", "layers", "heads", "kvHeads", "feedForward", "vocabulary"))
HEAD_DIM = D // HEADS
RANK = setup["rank"]


def rotate(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Linear(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(outputs, inputs) * 0.8 / math.sqrt(inputs), requires_grad=RANK == 0)
        if RANK > 0:
            self.a = torch.nn.Parameter(torch.randn(RANK, inputs) / math.sqrt(3 * inputs))
            self.b = torch.nn.Parameter(torch.zeros(outputs, RANK))

    def forward(self, x):
        y = F.linear(x, self.weight)
        return y + F.linear(F.linear(x, self.a) * 2, self.b) if RANK > 0 else y


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.n1 = torch.nn.Parameter(torch.ones(D), requires_grad=RANK == 0)
        self.n2 = torch.nn.Parameter(torch.ones(D), requires_grad=RANK == 0)
        self.q, self.k, self.v, self.o = Linear(D, D), Linear(D, KV * HEAD_DIM), Linear(D, KV * HEAD_DIM), Linear(D, D)
        self.gate, self.up, self.down = Linear(D, FF), Linear(D, FF), Linear(FF, D)

    def forward(self, x, cos, sin, mask):
        rows, tokens, _ = x.shape
        h = F.rms_norm(x, (D,), self.n1, 1e-5)
        heads = lambda y, n: y.view(rows, tokens, n, HEAD_DIM).transpose(1, 2)
        q, k = rotate(heads(self.q(h), HEADS), cos, sin), rotate(heads(self.k(h), KV), cos, sin)
        o = F.scaled_dot_product_attention(q, k, heads(self.v(h), KV), attn_mask=mask, enable_gqa=True)
        x = x + self.o(o.transpose(1, 2).reshape(rows, tokens, D))
        h = F.rms_norm(x, (D,), self.n2, 1e-5)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Parameter(torch.randn(V, D) * 0.8 / math.sqrt(D), requires_grad=RANK == 0)
        self.norm = torch.nn.Parameter(torch.ones(D), requires_grad=RANK == 0)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, tokens, cos, sin, mask, rows):
        x = F.embedding(tokens, self.embedding)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return F.linear(F.rms_norm(x.view(-1, D)[rows], (D,), self.norm, 1e-5), self.embedding)


tokens = torch.tensor(setup["tokens"])
rows, length = tokens.shape
mask = torch.full((rows, length, length), float("-inf"))
for row, runs in enumerate(setup["runs"]):
    for query, (first, end, own, own_end) in enumerate(runs):
        mask[row, query, first:end] = 0
        mask[row, query, own:own_end] = 0
mask = mask[:, None]
angle = torch.arange(length)[:, None] * 10000 ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
cos, sin = angle.cos(), angle.sin()
outputs, labels = torch.tensor(setup["outputs"]), torch.tensor(setup["labels"])
model = Model()
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-3, betas=(0.9, 0.95), weight_decay=0, fused=True)
print(json.dumps({"torch": torch.__version__, "parameters": sum(p.numel() for p in trained)}), flush=True)

for _ in sys.stdin:
    started, busy = time.perf_counter(), time.process_time()
    loss = F.cross_entropy(model(tokens, cos, sin, mask, outputs), labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    cpu = time.process_time() - busy
    print(json.dumps({"ms": (time.perf_counter() - started) * 1000, "cpuMs": cpu * 1000}), flush=True)
