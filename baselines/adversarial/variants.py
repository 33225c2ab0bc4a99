"""What the papers after Goodfellow's changed in the game, each as the difference that it is."""

from __future__ import annotations

from functools import partial

from torch.optim import SGD, RMSprop

from baselines import objectives
from baselines.adversarial.gan import GAN, adam
from baselines.adversarial.networks import Point, comparing, convolving, deconvolving, lipschitz, slope, virtual
from baselines.penalties import clip, gradient_penalty, noisy, r1, roth
from baselines.play import consensus, together

# What a generator and a critic want.

gan_minimax = partial(GAN, objective=objectives.minimax)
gan_smooth = partial(GAN, objective=objectives.one_sided)
gan_smooth_both = partial(GAN, objective=objectives.two_sided)
lsgan = partial(GAN, objective=objectives.least_squares)
ls_gan = partial(GAN, objective=objectives.loss_sensitive)
hinge_gan = partial(GAN, objective=objectives.hinge)

# How steep a critic may be.

# Arjovsky, Chintala & Bottou, 2017. Their rate of 5e-5 is for a hundred times more turns. The weakest of all here: at
# 100,000 examples, 520 turns of the generator, the ring was still a cloud at 1e-4 and at 3e-4 (14 and 11 % of samples
# near a mode, one seed), at 1e-3 after 60,000.
wgan = partial(GAN, objective=objectives.wasserstein, after=clip, turns=5, optimizer=RMSprop, rate=3e-4)

# Gulrajani et al., 2017: their penalty and momenta. Its weight is 1, not 10, as for small problems: at 10 one
# seed in three was still a cloud about the ring after 150,000 examples; at a rate of 2e-3 one in four stayed one.
# The critic has 2 turns to the generator's one, not 5: turns are what the budget pays for, and on digits the judge
# took 79 % of the samples instead of 65 %.
wgan_gp = partial(
    GAN,
    objective=objectives.wasserstein,
    penalty=partial(gradient_penalty, weight=1.0),
    turns=2,
    optimizer=partial(adam, betas=(0.0, 0.9)),
)

# Miyato et al., 2018, on the hinge.
sngan = partial(
    GAN,
    objective=objectives.hinge,
    critic=lipschitz,
    turns=2,
    optimizer=partial(adam, betas=(0.0, 0.9)),
)

gan_roth = partial(GAN, penalty=roth)
gan_r1 = partial(GAN, penalty=r1)

# What the players are made of.

# Radford et al., 2016, with batches of 16 for their 128: turns are what teaches. After 50,000 examples of Fashion-MNIST
# the judge took 36 % as many of the samples as of real rows, with batches of 64 it took 14 %.
dcgan = partial(GAN, generator=deconvolving, critic=convolving, widths=(64, 32), critic_rate=4e-4, batch=16)

# What a critic is shown.

gan_instance_noise = partial(GAN, corrupt=noisy)
gan_minibatch = partial(GAN, critic=comparing)
pacgan = partial(GAN, pack=2)  # Lin et al., 2018

# How the generator is normalised, and how both move.

gan_vbn = partial(GAN, generator=virtual)
gan_unnormalised = partial(GAN, batch_norm=False)
gan_alternating = partial(GAN, optimizer=RMSprop)
gan_together = partial(gan_alternating, loop=together)
gan_consensus = partial(gan_alternating, loop=partial(together, correct=consensus))
gan_relaxed = partial(gan_alternating, loop=partial(together, correct=partial(consensus, own=0.0)))

# Steps as long as the gradient is.

gan_sgd = partial(GAN, optimizer=SGD)
gan_minimax_sgd = partial(gan_sgd, objective=objectives.minimax)
gan_minimax_sgd_noise = partial(gan_minimax_sgd, corrupt=partial(noisy, sigma=3.0))

# The Dirac-GAN of Mescheder, Geiger & Nowozin, 2018: a point against a slope, which circle about their equilibrium.

dirac_gan = partial(gan_minimax_sgd, generator=Point, critic=slope, rate=0.5)
dirac_gan_together = partial(dirac_gan, loop=together)
dirac_gan_consensus = partial(dirac_gan, loop=partial(together, correct=partial(consensus, gamma=1.0)))
dirac_gan_relaxed = partial(dirac_gan, loop=partial(together, correct=partial(consensus, gamma=1.0, own=0.0)))
dirac_gan_roth = partial(dirac_gan, penalty=partial(roth, variance=0.09))
dirac_gan_noise = partial(dirac_gan, corrupt=partial(noisy, sigma=0.3, until=1e9))

# What a critic is worth that no longer answers: the generator moves to where it was largest.
gan_frozen = partial(GAN, freeze=0.1)
