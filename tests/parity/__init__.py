"""torch's own sample databases, run through lamina: values, gradients and errors compared, name by name."""
