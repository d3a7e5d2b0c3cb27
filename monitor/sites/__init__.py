"""Sites: places without a network that send what they counted in signed bundles."""
