"""An agent in a loop of its own does what its learner does in the package's loop."""

import dataclasses

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from symla_lite import agent as agents
from symla_lite import checkpoint
from symla_lite.agent import ALIASES, REFERENCES, Agent
from symla_lite.environments import cartpole
from symla_lite.inputs import scaling_rewards, standardising, standardising_rewards
from symla_lite.learner import Input, Sizes
from symla_lite.lifetime import live
from symla_lite.metarnn import metarnn
from symla_lite.studies import results
from symla_lite.symla import symla
from symla_lite.symmetry import random_theta, replay_logits

KEY = jax.random.key(5)
SIZES = Sizes(4, 2)


class AsGymnasium(gymnasium.Env):
    """An environment of this package behind gymnasium's interface. What is random in step t comes
    from `keys[t]`, as in a lifetime."""

    def __init__(self, environment, task, first, keys):
        self.environment, self.task, self.first, self.keys = environment, task, first, keys
        self.observation_space = spaces.Box(-np.inf, np.inf, environment.sizes[:1])
        self.action_space = spaces.Discrete(environment.sizes.action)
        self.t, self.jitted = 0, jax.jit(environment.step)

    def reset(self, *, seed=None, options=None):
        key = self.first if self.t == 0 else self.keys[self.t, 2]
        self.t += self.t > 0  # the step that resets
        self.state, o = self.environment.reset(key, self.task)
        return np.asarray(o), {}

    def step(self, action):
        new = self.jitted(self.keys[self.t, 1], self.task, self.state, jnp.int32(action))
        self.state, self.t = new.state, self.t + 1
        return np.asarray(new.observation), float(new.reward), bool(new.end), False, {}


def by_hand(environment, agent, steps):
    """gymnasium's usual loop, with an agent; inputs as the agent received them, and the rest."""
    inputs, logits, actions, rewards = [], [], [], []
    o, _ = environment.reset(seed=0)
    reward, end, a = 0.0, False, np.zeros(environment.action_space.n)
    while len(actions) < steps:
        action = agent.act(o, reward, end)
        inputs.append(Input(np.float32(o), np.float32(reward), np.float32(a), np.float32(end)))
        logits.append(agent.logits)
        actions.append(action)
        a = np.eye(environment.action_space.n)[action]
        if end:
            o, _ = environment.reset()
            reward, end = 0.0, False
        else:
            o, reward, terminated, truncated, _ = environment.step(action)
            end = terminated or truncated
        rewards.append(reward)
    return jax.tree.map(lambda *x: jnp.stack(x), *inputs), np.stack(logits), actions, rewards


# Everything that is standardised is so in the learner, which any loop of the package can run.
LEARNERS = {
    "symla": symla(hidden=6, message=3),
    "metarnn": metarnn(hidden=6),
    "standardising": standardising(symla(hidden=6, message=3)),
    "scaling rewards": scaling_rewards(standardising(symla(hidden=6, message=3))),
    "standardising rewards": standardising_rewards(symla(hidden=6, message=3)),
}


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_a_loop_of_ones_own_is_a_lifetime(learner):
    """Where no action is left to chance, everything is equal: observations, the rewards beside
    them, ends and resets, logits, actions."""

    def certain(theta, h, x):
        logits, h = learner.step(theta, h, x)
        return 1e6 * logits + 1e3 * jnp.arange(logits.size), h  # SymLA begins with equal logits

    sure = dataclasses.replace(learner, step=certain)
    theta, environment, length = random_theta(learner, KEY, SIZES), cartpole("balance"), 150
    lived = jax.jit(live, static_argnums=(0, 1, 2))(sure, environment, length, theta, KEY)
    assert lived.end.sum() >= 2

    key_task, _, key_reset, key_steps = jax.random.split(KEY, 4)
    keys = jax.vmap(lambda key: jax.random.split(key, 3))(jax.random.split(key_steps, length))
    task = environment.draw_task(key_task)
    agent = Agent(sure, theta)
    agent.reset(SIZES)
    wrapped = AsGymnasium(environment, task, key_reset, keys)
    inputs, logits, actions, rewards = by_hand(wrapped, agent, length)
    np.testing.assert_array_equal(actions, lived.action)
    np.testing.assert_array_equal(inputs.end, lived.end)
    np.testing.assert_allclose(inputs.o, lived.observation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rewards, lived.reward, rtol=1e-5)
    np.testing.assert_allclose(logits, lived.logits, rtol=1e-3, atol=1e-6 * np.abs(logits).max())


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_its_logits_are_those_of_its_history(learner):
    theta = random_theta(learner, KEY, SIZES)
    agent = Agent(learner, theta)
    agent.reset(SIZES, seed=4)
    inputs, logits, actions, _ = by_hand(gymnasium.make("CartPole-v1"), agent, 120)
    assert inputs.end.sum() >= 2 and 0 < np.mean(actions) < 1
    again = replay_logits(learner, theta, KEY, inputs)  # no initial state is random
    np.testing.assert_allclose(logits, again, rtol=1e-4, atol=1e-5)


def test_actions_have_the_probabilities_of_the_logits():
    theta = jnp.asarray([0.0, 1.0, 2.0])
    constant = dataclasses.replace(
        REFERENCES["random"](),
        init_theta=lambda key, sizes: theta,
        step=lambda theta, h, x: (theta, h),
    )
    agent = Agent(constant, theta)
    agent.reset(Sizes(1, 3), seed=1)
    taken = [agent.act([0.0]) for _ in range(3000)]
    found = np.bincount(taken) / len(taken)
    wanted = np.exp(theta) / np.exp(theta).sum()
    np.testing.assert_allclose(found, wanted, atol=4 * np.sqrt(0.25 / len(taken)))


def test_a_reset_forgets_everything_and_a_seed_decides_everything():
    agent = Agent.load("one-rule")
    rng = np.random.default_rng(0)
    told = [(rng.normal(size=3), float(rng.normal()), bool(rng.random() < 0.1)) for _ in range(30)]

    def lifetime(seed):
        agent.reset(Sizes(3, 4), seed)
        return [(agent.act(*x), agent.logits.tolist()) for x in told]

    first = lifetime(2)
    assert first != lifetime(3)
    assert first == lifetime(2)


def test_a_reward_that_nothing_earned_is_not_looked_at():
    """Before the first action and after the end of an episode, as gymnasium's loops leave it."""
    learner = metarnn(hidden=5)
    agent = Agent(learner, random_theta(learner, KEY, SIZES))

    def last(stale):
        agent.reset(SIZES)
        for reward, end in [(stale, False), (1.0, True), (stale, False), (1.0, False)]:
            agent.act(np.ones(4), reward, end)
        return agent.logits

    np.testing.assert_array_equal(last(0.0), last(-7.0))


# Names


def test_every_record_of_a_theta_has_a_name_and_loads():
    folder = results.recorded()
    files = {
        str(path.relative_to(folder).with_suffix(""))
        for path in folder.rglob("*-[0-9].safetensors")
        if "unfinished" not in path.parts
    }
    assert files and set(agents.recorded()) == files
    assert set(agents.names()) == files | set(ALIASES) | set(REFERENCES)
    for name, record in agents.recorded().items():
        if name.endswith("-0"):
            arrays, about = checkpoint.load(folder / f"{name}.safetensors")
            loaded = Agent.load(name, standardise=False)
            assert loaded.learner is record.training.learner
            assert loaded.learner.name == about["training"]["learner"]["name"]
            kept = [arrays[x] for x in arrays if x.startswith("theta/")]
            assert sum(x.size for x in jax.tree.leaves(loaded.theta)) == sum(x.size for x in kept)


@pytest.mark.parametrize("name", [*ALIASES, *REFERENCES])
def test_a_short_name_is_an_agent_for_other_sizes(name):
    agent = Agent.load(name)
    for sizes in (Sizes(2, 3), Sizes(7, 2)):
        agent.reset(sizes)
        assert 0 <= agent.act(np.ones(sizes.observation)) < sizes.action


def test_the_switches_decide_what_is_done_to_what_comes_in():
    names = {
        (s, r): Agent.load("one-rule", standardise=s, scale_rewards=r).learner.name
        for s in (True, False)
        for r in (True, False)
    }
    assert names[False, False] == "symla, standardising rewards" and len(set(names.values())) == 4


# Programs


@pytest.mark.parametrize("name", ["random", "one-rule"])
@pytest.mark.parametrize("options", [{}, {"scale_rewards": True}, {"standardise": False}], ids=str)
def test_equal_agents_are_compiled_once(name, options):
    agents.compiled.cache_clear()
    for _ in range(2):
        agent = Agent.load(name, **options)
        for one in (agent, agent.without_reward()):
            one.reset(SIZES)
            one.act(np.ones(4))
            assert agents.compiled(one.learner)._cache_size() == 1
    assert agents.compiled.cache_info().misses == 2


def test_programs_are_not_kept_for_ever():
    agents.compiled.cache_clear()
    most = agents.compiled.cache_info().maxsize
    for _ in range(most + 3):
        agents.compiled(metarnn(hidden=5))
    assert agents.compiled.cache_info().currsize == most


# What is refused


def test_an_unknown_name_is_refused_with_names_that_are_near():
    with pytest.raises(ValueError, match="name 'tasks/night/symla-hearts-0': take one-rule"):
        Agent.load("tasks/night/symla-hearts-0")
    with pytest.raises(ValueError, match="tasks/night/symla-hearts_2-0"):
        agents.record("tasks/night/symla-hearts_2-9")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda agent: agent.act(np.ones(3)), "observation has 3 entries.* for 4: give as many"),
        (lambda agent: agent.act(np.ones((4, 1))), r"observation=.*give an array \[A\]"),
        (lambda agent: agent.act([0, 1, np.nan, 2]), "observation=.*NaN or infinity, give"),
        (lambda agent: agent.act(np.ones(4), np.nan), "reward=nan .*give a number"),
        (lambda agent: agent.act(np.ones(4), 0.0, 1), "end=1 .*give True or False"),
        (lambda agent: agent.act([0, 1e20, 0, 0]), "holds a number of size 1e\\+20.*give"),
        (lambda agent: agent.act(np.full(4, -1e39)), "holds a number of size 1e\\+39.*give"),
        (lambda agent: agent.act(np.ma.array(np.ones(4), mask=[1, 0, 0, 0])), "masked.*give"),
        (lambda agent: agent.act(np.ones(4), 1e20), r"reward=1e\+20 .*give a number, at least"),
        (lambda agent: agent.act(np.ones(4), np.ma.masked), "reward=nan .*give a number"),
        (lambda agent: agent.act(np.ones(4), 0.0, np.array(1)), "end=1 .*give True or False"),
        (lambda agent: agent.reset((10**9, 2)), "sizes has .* 1,000,000,000 entries.*give fewer"),
        (lambda agent: agent.reset((4, 0)), "sizes.action=0 .*give a whole number"),
        (lambda agent: agent.reset(SIZES, -1), "seed=-1 .*give a whole number"),
        (lambda agent: Agent(agent.learner, {"w": np.ones(2)}).reset(SIZES), "theta does not fit"),
        (lambda agent: Agent.load("one-rule").act(np.ones(4)), r"give reset\(\) the sizes"),
        (lambda agent: Agent.load("one-rule", standardise="no"), "standardise='no' .*give True"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_does_not_suit_an_agent_is_refused(call, words):
    agent = Agent.load("one-rule", scale_rewards=True)

    def lifetime(strange):
        agent.reset(SIZES)
        agent.act(np.ones(4))
        if strange:
            with pytest.raises(ValueError, match=words):
                call(agent)
        return agent.act(np.zeros(4), 1.0), agent.logits.tolist()

    assert lifetime(strange=True) == lifetime(strange=False), "it does not go on as it was"


def test_a_step_to_numbers_that_are_not_finite_is_not_taken():
    agent = Agent.load("one-rule", standardise=False)
    vast = Agent(agent.learner, jax.tree.map(lambda x: jnp.sign(x) * 1e38, agent.theta))
    vast.reset(SIZES)
    before = vast.memory
    with pytest.raises(ValueError, match="up to 1 in observation.*not finite: give .*theta"):
        vast.act(np.ones(4))
    assert vast.memory is before and vast.logits is None


def test_the_running_variance_cannot_be_made_infinite_step_by_step():
    agent = Agent.load("random")
    agent.reset(Sizes(1, 2))
    with pytest.raises(ValueError, match="not taken, since it leads to .* not finite"):
        for t in range(1000):
            agent.act([(-1) ** t * agents.LARGEST])
    assert np.isfinite(agent.memory.h[1].squares).all()


def test_numbers_in_arrays_without_axes_are_numbers():
    learner = metarnn(hidden=5)
    agent = Agent(learner, random_theta(learner, KEY, SIZES))

    def last(*said):
        agent.reset(SIZES)
        for reward, end in [(0.0, False), said, (0.0, False)]:
            agent.act(np.ones(4), reward, end)
        return agent.logits.tolist()

    for one in (np.array(1.0), np.array(1), jnp.ones(()), jnp.ones((), int), np.float16(1)):
        for true in (np.array(True), jnp.array(True), np.True_):
            assert last(one, true) == last(1.0, True)
    assert last(1e-40, False) == last(np.float32(-1e-40), False) == last(0.0, False)


def test_sizes_that_do_not_fit_into_memory_are_refused(monkeypatch):
    agent = Agent.load("random")
    agent.reset(Sizes(1000, 2))
    monkeypatch.setattr(agents.checks, "memory", lambda: 2 * 4 * 2000)  # mean and squares, twice
    with pytest.raises(ValueError, match="random.*observation=1000.*GiB.*give smaller"):
        agent.reset(Sizes(1000, 2))
    agent.reset(Sizes(700, 2))


def test_a_theta_of_fixed_sizes_is_refused_elsewhere():
    agent = Agent.load("observation_spaces/standard/metarnn-cartpole-0")
    agent.reset(SIZES)
    with pytest.raises(ValueError, match="theta does not fit metarnn.* 5 inputs and 2 actions"):
        agent.reset(Sizes(5, 2))


def test_a_record_under_the_name_of_another_seed_is_no_agent(tmp_path, monkeypatch):
    folder = tmp_path / "bandits" / "standard"
    folder.mkdir(parents=True)
    kept = results.recorded() / "bandits" / "standard" / "symla-easy-0.safetensors"
    (folder / "symla-easy-1.safetensors").write_bytes(kept.read_bytes())
    agents.recorded.cache_clear()
    monkeypatch.setattr(results, "recorded", lambda: tmp_path)
    try:
        with pytest.raises(checkpoint.FileTrouble, match="training.seed: 0 there, 1 here"):
            Agent.load("bandits/standard/symla-easy-1")
    finally:
        agents.recorded.cache_clear()
