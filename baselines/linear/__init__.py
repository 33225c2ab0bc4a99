"""Linear latent variables, solved in closed form."""
