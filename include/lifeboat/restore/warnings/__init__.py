"""What may stand in a restore's way, told in its plan: a theme a module, each a function over what
was read; `look` reads."""
