"""The operations of a runner's life. A caller takes them from ``runnerctl.core``."""
