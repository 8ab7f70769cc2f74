"""Sources: what others send, translated into the kernel's inputs. Pure; floor 5."""
