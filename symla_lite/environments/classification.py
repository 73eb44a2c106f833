"""Online classification: see an example, name its class, receive the label.

A task is a few classes out of a data set, in an order in which the outputs stand for them, and a
view of the inputs: as they are, permuted, or projected at random. An observation is the image x_t
followed by the one-hot label of the image before, x_{t-1}; zeros at the first step. So the label
comes after the answer, and no learner needs another kind of input for it. The reward is 1 for a
right answer, so that a lifetime's mean reward is its accuracy. No episode ends before the lifetime.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite.checks import Count, Index, Name, Positive, Range
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Sizes

# Data sets.


class Examples(NamedTuple):
    """A data set, centred and scaled."""

    x: np.ndarray
    """Inputs, [n, D]. Each has mean 0 over the data set; their variances have mean 1."""
    y: np.ndarray
    """Classes, integers from 0, [n]."""


def standardised(
    x: Annotated[np.ndarray, "n D"], y: Annotated[np.ndarray, "n"], each: bool
) -> Examples:
    """Centres a data set and scales it.

    Args:
        x: inputs, [n, D].
        y: classes, [n].
        each: whether every input is scaled by itself (where they have units of their own) or all
            alike (pixels).

    Raises:
        ValueError: not one class for each row of a matrix; inputs that never change.
    """
    x = x - x.mean(axis=0)
    scale = x.std(axis=0) if each else np.sqrt(x.var(axis=0).mean())
    if not np.all(scale > 0):
        raise ValueError("An input that is always the same cannot be scaled: leave it out.")
    order = np.random.default_rng(0).permutation(len(x))  # the files come sorted by class
    return Examples((x / scale)[order].astype(np.float32), np.asarray(y)[order].astype(np.int32))


def _scikit_learn():
    try:
        import sklearn.datasets
    except ModuleNotFoundError as error:
        raise ValueError(
            "The data sets of classification come with scikit-learn, which is not installed: "
            "run pip install scikit-learn, or take the clusters, which need no files."
        ) from error
    return sklearn.datasets


@functools.cache
def digits(side: Literal[4, 8] = 8) -> Examples:
    """Handwritten digits that come with scikit-learn: 1,797 images of 10 classes.

    Args:
        side: 8 for the images as they are, [n, 64]; 4 for means over 2 x 2 pixels, [n, 16].

    Raises:
        ValueError: another side; scikit-learn is not installed.
    """
    data = _scikit_learn().load_digits()
    block = 8 // side
    images = data.images.reshape(-1, side, block, side, block).mean(axis=(2, 4))
    return standardised(images.reshape(len(images), -1), data.target, each=False)


@functools.cache
def table(name: Literal["wine", "breast_cancer", "iris"]) -> Examples:
    """A table of measurements that comes with scikit-learn: wine (13 inputs, 3 classes), breast
    cancer (30, 2) or iris (4, 3).

    Raises:
        ValueError: another name; scikit-learn is not installed.
    """
    data = getattr(_scikit_learn(), f"load_{name}")()
    return standardised(data.data, data.target, each=True)


@functools.cache
def clusters(
    inputs: Count = 16, classes: Count = 40, each: Count = 50, spread: Positive = 0.5
) -> Examples:
    """Gaussian clusters, drawn once: a data set that needs no file.

    Args:
        inputs: D.
        classes: how many clusters.
        each: examples in a cluster.
        spread: standard deviation of the clusters' centres, for examples of standard deviation 1
            around them.

    Raises:
        ValueError: a number that is not positive.
    """
    rng = np.random.default_rng(0)
    centres = spread * rng.normal(size=(classes, 1, inputs))
    x = centres + rng.normal(size=(classes, each, inputs))
    return standardised(x.reshape(-1, inputs), np.repeat(np.arange(classes), each), each=False)


# The environment.


class ClassificationTask(NamedTuple):
    """What is fixed for a lifetime."""

    classes: jax.Array
    """The classes that appear, [ways]."""
    outputs: jax.Array
    """The output that stands for each of them, [ways]."""
    start: jax.Array
    """Where in each class's ring of examples the lifetime begins, [ways]."""
    view: jax.Array
    """Nothing [0], a permutation [D], or a projection [inputs, D]."""


class ClassificationState(NamedTuple):
    """What changes from step to step."""

    label: jax.Array
    """The output that is right for the image on show, []."""
    used: jax.Array
    """Examples shown of each class, [ways]."""


def classification(
    name: Name,
    data: Callable[[], Examples],
    classes: Sequence[Index],
    ways: Annotated[int, Range(least=2)],
    inputs: Count,
    outputs: Count | None = None,
    view: Literal["plain", "permuted", "projected"] = "plain",
    labels: bool = True,
) -> Environment:
    """Online classification of a few classes out of a data set.

    The examples of a class stand in a ring, in an order that is drawn once for all; a lifetime
    begins somewhere in each ring and goes round. So no example comes twice before all others of
    its class have come.

    Args:
        name: its name.
        data: gives the data set; called when a lifetime is first traced, not before.
        classes: those that tasks are drawn from.
        ways: how many of them a task has, at least 2.
        inputs: A, the length of an image as the learner sees it: D, unless it is projected.
        outputs: B, at least `ways` (the default); outputs beyond stand for no class.
        view: `plain`, all inputs in their places; `permuted`, in an order drawn for the lifetime;
            `projected`, by a Gaussian matrix drawn for the lifetime.
        labels: whether it receives them; without them nothing can be learned (the control).

    Returns:
        The environment. Its observations have inputs + outputs entries.

    Raises:
        ValueError: fewer than two ways, more than there are classes or outputs, an unknown view,
            and when it is first used, inputs that do not fit the data.
    """
    outputs = ways if outputs is None else outputs
    if ways > len(classes):
        raise ValueError(
            f"ways={ways} out of {len(classes)} classes: give at least 2 and at most all of them."
        )
    if outputs < ways:
        raise ValueError(f"{outputs} outputs cannot name {ways} classes: give {ways} or more.")

    @functools.cache
    def rings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs [n, D], the examples of each class [classes, most], and how many they are."""
        x, y = data()
        if view != "projected" and x.shape[1] != inputs:
            raise ValueError(
                f"The data of {name} has {x.shape[1]} inputs, not {inputs}: give "
                f"inputs={x.shape[1]}, or view='projected'."
            )
        members = [np.flatnonzero(y == c) for c in classes]
        counts = np.array([len(m) for m in members])
        if not counts.all():
            raise ValueError(f"The data of {name} lacks some of the classes {list(classes)}.")
        ring = np.stack([np.resize(m, counts.max()) for m in members])
        return x, ring, counts

    def draw_task(key):
        x, _, counts = rings()
        D = x.shape[1]
        key_classes, key_outputs, key_start, key_view = jax.random.split(key, 4)
        chosen = jax.random.permutation(key_classes, len(classes))[:ways]
        if view == "plain":
            seen = jnp.zeros(0)
        elif view == "permuted":
            seen = jax.random.permutation(key_view, D)
        else:
            seen = jax.random.normal(key_view, (inputs, D)) / np.sqrt(D)
        return ClassificationTask(
            classes=chosen,
            outputs=jax.random.permutation(key_outputs, outputs)[:ways],
            start=jax.random.randint(key_start, (ways,), 0, jnp.asarray(counts)[chosen]),
            view=seen,
        )

    def show(key, task, used, label):
        """The next example, and the label of the one before, [outputs]."""
        x, ring, counts = (jnp.asarray(array) for array in rings())
        way = jax.random.randint(key, (), 0, ways)
        c = task.classes[way]
        image = x[ring[c, (task.start[way] + used[way]) % counts[c]]]
        if view == "permuted":
            image = image[task.view]
        elif view == "projected":
            image = task.view @ image
        state = ClassificationState(task.outputs[way], used.at[way].add(1))
        return state, jnp.concatenate([image, label if labels else jnp.zeros(outputs)])

    def reset(key, task):
        return show(key, task, jnp.zeros(ways, jnp.int32), jnp.zeros(outputs))

    def step(key, task, state, action):
        reward = (action == state.label).astype(float)
        new, observation = show(key, task, state.used, jax.nn.one_hot(state.label, outputs))
        return Transition(new, observation, reward, jnp.zeros(()))

    return Environment(
        name=name,
        options={
            "classes": list(classes),
            "ways": ways,
            "inputs": inputs,
            "outputs": outputs,
            "view": view,
            "labels": labels,
        },
        sizes=Sizes(observation=inputs + outputs, action=outputs),
        draw_task=draw_task,
        reset=reset,
        step=step,
    )
