"""Death in the middle of a step, for tests inside one process."""

from monitor.alerts.notification import Notification
from monitor.notify.channel import Channel


class KilledError(BaseException):
    """Nothing catches this: it stands for SIGKILL."""


class Mortal:
    """A channel whose process dies when the other side has answered; unless `taken`, just before it is asked."""

    def __init__(self, channel: Channel, *, taken: bool = True) -> None:
        self.channel, self.taken = channel, taken
        self.name, self.rate, self.actions = channel.name, channel.rate, channel.actions
        self.seconds = channel.seconds

    def send(self, notification: Notification) -> str:
        if self.taken:
            self.channel.send(notification)
        raise KilledError

    def close(self) -> None:
        self.channel.close()
