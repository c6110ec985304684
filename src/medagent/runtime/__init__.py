"""Composition: what each kind of process is made of, wired the same for jobs, services and commands."""
