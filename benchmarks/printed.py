"""The method as the paper prints it, made to run on today's JAX.

Only what JAX and Haiku have removed since was replaced (`jax.tree_map`, `tree_multimap`,
`tree_structure`), and what is printed as `...` was filled in. As printed, there is one LSTM for
each cell, by `vmap` of `vmap`, plus and minus members live in two loops, and the noise is drawn
leaf by leaf in each pair. The print has one lifetime for each pair; here there are as many as are
asked for.
"""

import haiku as hk
import jax
import jax.numpy as jnp
import optax

from benchmarks.settings import Contender, Setting, as_xla_comes
from symla_lite.environments.environment import Environment


class SymlaLayer(hk.Module):
    """As printed."""

    def __init__(self, input_size, output_size, msg_size, hidden_size, micro_ticks):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.micro_ticks = micro_ticks
        self.lstm = hk.LSTM(hidden_size)
        self.fwd_messenger = hk.Linear(msg_size)
        self.bwd_messenger = hk.Linear(msg_size)
        over_outputs = hk.vmap(self._cell, (0, None, 0, None), split_rng=False)
        self._tick = hk.vmap(over_outputs, (0, 0, None, None), split_rng=False)

    def _cell(self, lstm_state, fwd_msg, bwd_msg, aux):
        return self.lstm(jnp.concatenate([fwd_msg, bwd_msg, aux]), lstm_state)

    def create_state(self):
        zeros = jnp.zeros((2, self.input_size, self.output_size, self.lstm.hidden_size))
        lstm_state = hk.LSTMState(hidden=zeros[0], cell=zeros[1])
        fwd_msg = jnp.zeros((self.output_size, self.fwd_messenger.output_size))
        bwd_msg = jnp.zeros((self.input_size, self.bwd_messenger.output_size))
        return lstm_state, fwd_msg, bwd_msg

    def __call__(self, state, inp, inp_end, aux):
        lstm_state, fwd_msg, bwd_msg = state
        in_fwd_msg = jnp.concatenate([bwd_msg, inp[:, None]], axis=-1)
        in_bwd_msg = jnp.concatenate([fwd_msg, inp_end[:, None]], axis=-1)
        for _ in range(self.micro_ticks):
            out, lstm_state = self._tick(lstm_state, in_fwd_msg, in_bwd_msg, aux)
        out_fwd_msg = self.fwd_messenger(out).mean(axis=0)
        out_bwd_msg = self.bwd_messenger(out).mean(axis=1)
        return out_fwd_msg[:, 0], (lstm_state, out_fwd_msg, out_bwd_msg)


class Printed:
    """The protocol that the print expects of its environment, around one of this package's."""

    def __init__(self, environment: Environment):
        self.inside = environment

    def initial_state(self, key):
        key_task, key_reset = jax.random.split(key)
        task = self.inside.draw_task(key_task)
        return (task, *self.inside.reset(key_reset, task), jnp.zeros(()), jnp.zeros(()))

    def observation(self, state):
        return state[2]

    def reward(self, state):
        return state[3]

    def is_terminal(self, state):
        return state[4]

    def step(self, key, state, action):
        task, inside, _, _, end = state
        key_step, key_reset = jax.random.split(key)
        new = self.inside.step(key_step, task, inside, jnp.argmax(action))
        first = (*self.inside.reset(key_reset, task), jnp.zeros(()), jnp.zeros(()))
        after = jax.tree.map(lambda reset, step: jnp.where(end > 0, reset, step), first, tuple(new))
        return (task, *after)


class SymlaModel(hk.Module):
    """One lifetime, as printed."""

    def __init__(self, setting: Setting):
        super().__init__()
        self._setting = setting
        self._layer = SymlaLayer(*setting.environment.sizes, 8, setting.hidden, setting.ticks)

    def __call__(self, env, env_state):
        prev_action = jnp.zeros(self._setting.environment.sizes.action)
        state = self._layer.create_state()
        rng_ticks = jnp.array(hk.next_rng_keys(self._setting.length))

        def scan_tick(carry, rng_tick):
            env_state, state, prev_action = carry
            rng_tick, rng_action = jax.random.split(rng_tick)
            reward, done = env.reward(env_state), env.is_terminal(env_state)
            inp, aux = env.observation(env_state).flatten(), jnp.stack([reward, done])
            logits, new_state = self._layer(state, inp, prev_action, aux)
            action = jax.nn.one_hot(jax.random.categorical(rng_action, logits), logits.shape[-1])
            new_env_state = env.step(rng_tick, env_state, action)
            return (new_env_state, new_state, action), reward

        _, rewards = hk.scan(scan_tick, (env_state, state, prev_action), rng_ticks)
        return -jnp.mean(rewards), rewards


def printed(setting: Setting) -> Contender:
    """The print's `Experiment`."""
    model = hk.transform(lambda *x: SymlaModel(setting)(*x))
    env, outer = Printed(setting.environment), setting.outer
    optimizer, noise_std = optax.adam(outer.learning_rate), outer.es.sigma

    def loss(params, rng, env_state):
        def one(rng, env_state):
            return model.apply(params, rng, env, env_state)[0]

        return jax.vmap(one)(jax.random.split(rng, setting.lifetimes), env_state).mean()

    def es_eval(params, rng, env_state):
        leaves, tree = jax.tree.flatten(params)
        rng, param_rng = jax.random.split(rng)
        keys = jax.random.split(param_rng, len(leaves))
        drawn = [noise_std * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves)]
        scaled_noise = jax.tree.unflatten(tree, drawn)
        loss_pos = loss(jax.tree.map(jnp.add, params, scaled_noise), rng, env_state)
        loss_neg = loss(jax.tree.map(jnp.subtract, params, scaled_noise), rng, env_state)
        es_factor = (loss_pos - loss_neg) / (2 * noise_std**2)
        return jax.tree.map(lambda x: x * es_factor, scaled_noise)

    def start(key):
        params = model.init(key, env, env.initial_state(key))
        return params, optimizer.init(params)

    def step(state, key):
        params, opt_state = state
        rng_env, rng_eval = jax.random.split(key)
        env_keys = jax.random.split(rng_env, (outer.es.pairs, setting.lifetimes))
        env_state = jax.vmap(jax.vmap(env.initial_state))(env_keys)
        rngs = jax.random.split(rng_eval, outer.es.pairs)
        grads = jax.vmap(es_eval, in_axes=(None, 0, 0))(params, rngs, env_state)
        grads = jax.tree.map(lambda x: jnp.mean(x, axis=0), grads)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state

    return Contender(start, step, as_xla_comes())
