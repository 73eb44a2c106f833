"""What could be assembled from others' parts: evosax's `Open_ES`, gymnax's environments stepped
under `vmap`, and Equation 9 as it reads (this package's textbook form).
"""

import gymnax
import jax
import jax.numpy as jnp
import optax
from evosax.algorithms import Open_ES
from flax import struct
from gymnax.environments import environment as gymnax_environment

from benchmarks.settings import BALANCE, Contender, Setting, as_xla_comes
from symla_lite.environments.environment import Environment
from symla_lite.learner import first_input
from symla_lite.symla import symla


@struct.dataclass
class State(gymnax_environment.EnvState):
    """gymnax counts time in every state."""

    inside: jax.Array
    o: jax.Array


@struct.dataclass
class Params(gymnax_environment.EnvParams):
    """What gymnax keeps over an episode's end: here the task."""

    task: jax.Array = ()


class Wrapped(gymnax_environment.Environment):
    """One of this package's environments as gymnax wants them, for those that gymnax has not."""

    def __init__(self, environment: Environment):
        self.inside = environment

    def draw(self, key):
        """The parameters of a lifetime."""
        return Params(task=self.inside.draw_task(key))

    def reset_env(self, key, params):
        inside, o = self.inside.reset(key, params.task)
        return o, State(time=0, inside=inside, o=o)

    def step_env(self, key, state, action, params):
        new = self.inside.step(key, params.task, state.inside, action)
        state = State(time=state.time + 1, inside=new.state, o=new.observation)
        return new.observation, state, new.reward, new.end > 0, {}

    def is_truncated(self, state, params):
        return jnp.zeros((), bool)


def made(environment: Environment):
    """gymnax's own CartPole where that is meant, else a wrapped environment; and `(key) -> params`.
    gymnax's pays 1 at every step, which no policy can learn from, but costs what it costs."""
    if environment is BALANCE:
        env, params = gymnax.make("CartPole-v1")
        return env, lambda key: params
    env = Wrapped(environment)
    return env, env.draw


def assembled(setting: Setting) -> Contender:
    """One generation: ask, vmapped rollouts, tell."""
    learner = symla(hidden=setting.hidden, form="textbook")
    sizes, outer = setting.environment.sizes, setting.outer
    env, draw = made(setting.environment)
    es = Open_ES(
        setting.population,
        learner.init_theta(jax.random.key(0), sizes),
        optimizer=optax.adam(outer.learning_rate),
        std_schedule=optax.constant_schedule(outer.es.sigma),
    )

    def rollout(theta, key):
        key_task, key_reset, key_state, key_steps = jax.random.split(key, 4)
        params = draw(key_task)
        obs, env_state = env.reset(key_reset, params)
        h = learner.init_state(theta, key_state, sizes)

        def step(carry, key):
            h, env_state, x = carry
            key_action, key_step = jax.random.split(key)
            logits, h = learner.step(theta, h, x)
            action = jax.random.categorical(key_action, logits)
            obs, env_state, reward, terminated, truncated, _ = env.step(
                key_step, env_state, action, params
            )
            end = (terminated | truncated).astype(jnp.float32)
            a = jax.nn.one_hot(action, sizes.action)
            return (h, env_state, x._replace(o=obs, r=reward, a=a, end=end)), reward

        first = (h, env_state, first_input(obs, sizes))
        _, rewards = jax.lax.scan(step, first, jax.random.split(key_steps, setting.length))
        return rewards.sum()

    def start(key):
        return es.init(key, learner.init_theta(key, sizes), es.default_params)

    def step(state, key):
        key_ask, key_lives, key_tell = jax.random.split(key, 3)
        population, state = es.ask(key_ask, state, es.default_params)
        keys = jax.random.split(key_lives, setting.lifetimes)
        fitness = jax.vmap(jax.vmap(rollout, (None, 0)), (0, None))(population, keys).mean(1)
        state, _ = es.tell(key_tell, population, -fitness, state, es.default_params)
        return state

    return Contender(start, step, as_xla_comes())
