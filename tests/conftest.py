"""What holds for all tests."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a shared machine is slow now and then: no test is timed
settings.load_profile("untimed")
