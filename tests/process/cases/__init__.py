"""What was tried on the product and failed, each as it was tried: by commands, HTTP, signals and files alone."""
