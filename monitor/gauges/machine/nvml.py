"""GPUs of NVIDIA, asked by the driver's own library (NVML), where no exporter runs."""

import ctypes
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from monitor.gauges.reading import GaugeError, GaugeReader, Increments, Quantity, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.runtime import call_timeout

_HUNG = 600.0
"""Seconds for which a driver that did not answer is not asked again: each call may leave a thread behind."""
_OK = 0
_UNCORRECTED, _SINCE_THE_DRIVER_LOADED = 1, 0
_MOST_GPUS = 64
_HINT = "is the driver loaded (`nvidia-smi`), and does this process see the GPUs?"


class NvmlSettings(GaugeSettings):
    """The GPUs of this machine: used memory, and memory errors that were not corrected. Linux only."""

    is_local: ClassVar[bool] = True
    kind: Literal["nvml"] = "nvml"
    """The GPUs of this machine, by NVIDIA's driver."""
    library: str = "libnvidia-ml.so.1"
    """The driver's library."""

    def make_reader(self) -> GaugeReader:
        """A reader; the library is loaded by the first reading."""
        return Nvml(self)


class _Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Nvml:
    """Begins and ends NVML for each reading, so that a driver may be exchanged meanwhile."""

    def __init__(self, settings: NvmlSettings) -> None:
        self._settings = settings
        self._library: Any = None
        self._faults = Increments()
        self._hung_until = float("-inf")

    def read(self) -> Sequence[Reading]:
        """The figures of all GPUs. What a GPU does not support is left out.

        Raises:
            GaugeError: the library is not there, or does not answer.
        """
        if time.monotonic() < self._hung_until:
            raise GaugeError("the driver did not respond, and is queried again after ten minutes", hint=_HINT)
        try:
            figures = call_timeout.within(self._settings.timeout, self._ask)
        except call_timeout.CallTimeoutError as error:
            self._hung_until = time.monotonic() + _HUNG
            raise GaugeError(f"{self._settings.library}: {error}", hint=_HINT) from error
        except (OSError, AttributeError) as error:
            raise GaugeError(f"{self._settings.library} cannot be used: {error}", hint=_HINT) from error
        readings: list[Reading] = []
        for number, (memory, faults) in enumerate(figures):
            if memory is not None and memory.total:
                share = memory.used / memory.total
                readings.append(Reading(Quantity.USED_SHARE, f"gpu_memory:{number}", share))
            if faults is not None:
                readings += self._faults.of(Quantity.GPU_FAULTS, f"gpu:{number}", float(faults))
        return readings

    def _ask(self) -> list[tuple[_Memory | None, int | None]]:
        """Memory, and uncorrected errors since the driver was loaded, of each GPU."""
        if self._library is None:
            self._library = ctypes.CDLL(self._settings.library)
        library = self._library
        self._check("nvmlInit_v2", library.nvmlInit_v2())
        try:
            count = ctypes.c_uint()
            self._check("nvmlDeviceGetCount_v2", library.nvmlDeviceGetCount_v2(ctypes.byref(count)))
            return [self._device(number) for number in range(min(count.value, _MOST_GPUS))]
        finally:
            library.nvmlShutdown()

    def _device(self, number: int) -> tuple[_Memory | None, int | None]:
        library, device = self._library, ctypes.c_void_p()
        got = library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(number), ctypes.byref(device))
        if got != _OK:  # lost, or not allowed
            return None, None
        memory, faults = _Memory(), ctypes.c_ulonglong()
        has_memory = library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) == _OK
        kind = ctypes.c_uint(_UNCORRECTED), ctypes.c_uint(_SINCE_THE_DRIVER_LOADED)
        has_faults = library.nvmlDeviceGetTotalEccErrors(device, *kind, ctypes.byref(faults)) == _OK
        return memory if has_memory else None, faults.value if has_faults else None

    def _check(self, name: str, code: int) -> None:
        """Raise GaugeError for anything but success."""
        if code == _OK:
            return
        words = self._library.nvmlErrorString
        words.restype = ctypes.c_char_p
        message = (words(ctypes.c_int(code)) or b"").decode(errors="replace")[:200]
        raise GaugeError(f"{name} failed: {message} ({code})", hint=_HINT)
