from lamina.nn.functional.conv import *  # noqa: F403
