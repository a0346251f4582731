"""From declared cases to tensors, calls, gradients and comparisons; torch is loaded only by who hands it in."""
