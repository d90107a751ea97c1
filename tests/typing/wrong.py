"""A script full of mistakes, which is not run: on each marked line a type checker must say what the mark says, and
nothing anywhere else."""

import numpy as np

import minivit
from minivit import emulator
from minivit.gradcheck import gradcheck
from minivit.ops import softmax_backward, softmax_forwards  # error: attr-defined

digits = minivit.load_minst()  # error: attr-defined
digits = minivit.load_mnist(True)  # error: arg-type
config = minivit.ViTConfig(image_size=28, patch=7)  # error: call-arg
config = minivit.ViTConfig(image_size=28, patch_size="7", channels=1, classes=10)  # error: arg-type
config.width = 96  # error: misc
model = minivit.ViT("tiny")  # error: arg-type
model = minivit.ViT(config, sead=1)  # error: call-arg
model = minivit.ViT(config, seed="1")  # error: arg-type
logits: str = model(digits.test_images)  # error: assignment
loss, grads, more = model.loss_and_grads(digits.test_images, digits.test_labels)  # error: misc
print(model.parameters)  # error: attr-defined
print(model.config.widht)  # error: attr-defined
model.params["head.bias"].zero()  # error: attr-defined

trainer = minivit.Trainer(model, digits.train_images, digits.train_labels)  # error: call-arg
minivit.fit(model, digits.test_images, digits.test_labels)  # error: arg-type
result = minivit.train_mnist("quick", epoch=3)  # error: call-arg
result = minivit.train_mnist(epochs="3")  # error: arg-type
print(result.accuracy.mean())  # error: attr-defined
print(result.history["test_accuracy"])  # error: call-overload
minivit.load_pretrained(3)  # error: arg-type
softmax_forwards(logits)
pixels = minivit.data.preprocess("cat.jpg", 224)  # error: arg-type
minivit.inspect.atention_rollout(model, pixels)  # error: attr-defined
minivit.emulater.load("add.cu")  # error: attr-defined
emulator.load("add.cu")["add"].check(1, 32, pixels, output=["y"])  # error: call-arg


def forward(x: np.ndarray) -> np.ndarray:
    return x


report = gradcheck(forward, softmax_backward, {"x": pixels})  # error: arg-type
print(report["x"])  # error: index
