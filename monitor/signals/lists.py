"""Lists of texts in Arrow: each text is handled once, and the lists are rebuilt."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def parts(lists: pa.ListArray) -> pa.Array:
    """All elements of all lists, in order. Also of slices, where `values` would have more."""
    return pc.list_flatten(lists)


def of_parts(lists: pa.ListArray, flat: pa.Array) -> pa.ListArray:
    """Lists of the lengths of `lists` with the elements `flat`."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, flat, mask=pc.is_null(lists))


def rows_of_parts(lists: pa.ListArray) -> np.ndarray:
    """The row of each element."""
    return np.asarray(pc.list_parent_indices(lists))
