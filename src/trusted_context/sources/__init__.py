"""Where trust comes from: files, environment variables, the operating system's store, certifi."""
