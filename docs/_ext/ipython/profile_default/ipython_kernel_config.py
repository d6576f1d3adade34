# The kernel listens on the loopback address for the seconds of a build; it need not warn each time.
c = get_config()  # noqa: F821
c.IPKernelApp.log_level = "ERROR"
