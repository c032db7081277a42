"""TensorProto to NumPy and back, against TensorFlow's own parser."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2

from radar.errors import SnowmodeError
from serving.protocol import tensors, wire
from serving.protocol.tensors import TensorError, to_array, to_tensor_proto

T = wire.DataType
NUMBERS = [
    *(np.float16, np.float32, np.float64, np.complex64, np.complex128, np.bool_),
    *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
]
number_arrays = st.sampled_from(NUMBERS).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
string_arrays = hnp.arrays(
    object,
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    elements=st.binary(max_size=300),
    fill=st.nothing(),
)


def official(proto):
    return tensor_pb2.TensorProto.FromString(proto.SerializeToString())


def ours(proto):
    return wire.TensorProto.FromString(proto.SerializeToString())


def parsed_by_tensorflow(proto):
    dtype = tf.dtypes.as_dtype(proto.dtype)
    parsed = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    # A scalar string comes as bytes, of which NumPy would drop zeros at the end.
    return np.array(parsed, object) if isinstance(parsed, bytes) else parsed


def same(one, other):
    one, other = np.asarray(one), np.asarray(other)
    assert one.shape == other.shape
    if one.dtype != object and other.dtype != object:
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    else:
        assert one.ravel().tolist() == other.ravel().tolist()


def proto_of(dtype, shape, **fields):
    proto = wire.TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


@given(number_arrays)
def test_numbers_there_and_back(array):
    proto = to_tensor_proto(array)
    same(to_array(proto), array)
    same(tf.make_ndarray(official(proto)), array)


@given(number_arrays)
def test_numbers_in_the_field_of_their_type(array):
    proto = to_tensor_proto(array, as_content=False)
    assert not proto.tensor_content
    for read in (to_array(proto), tf.make_ndarray(official(proto))):
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


@given(string_arrays)
def test_strings_there_and_back(array):
    proto = to_tensor_proto(array)
    same(to_array(proto), array)
    same(tf.make_ndarray(official(proto)), array)


@given(number_arrays)
def test_reads_what_tensorflow_writes(array):
    same(to_array(ours(tf.make_tensor_proto(array))), array)


@given(string_arrays)
def test_reads_strings_tensorflow_writes(array):
    same(to_array(ours(tf.make_tensor_proto(array, dtype=tf.string, shape=array.shape))), array)


def ints(bits, signed=True):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def floats(width):
    return st.floats(width=width, allow_nan=False)


FIELDS = {
    **dict.fromkeys([T.DT_INT32, T.DT_UINT8, T.DT_INT16, T.DT_INT8, T.DT_UINT16], ("int_val", ints(32))),
    T.DT_HALF: ("half_val", ints(16, signed=False).filter(lambda bits: bits & 0x7C00 != 0x7C00)),
    T.DT_FLOAT: ("float_val", floats(32)),
    T.DT_DOUBLE: ("double_val", floats(64)),
    T.DT_STRING: ("string_val", st.binary(max_size=5)),
    T.DT_COMPLEX64: ("scomplex_val", floats(32)),
    T.DT_COMPLEX128: ("dcomplex_val", floats(64)),
    T.DT_INT64: ("int64_val", ints(64)),
    T.DT_BOOL: ("bool_val", st.booleans()),
    T.DT_UINT32: ("uint32_val", ints(32, signed=False)),
    T.DT_UINT64: ("uint64_val", ints(64, signed=False)),
}


@pytest.mark.parametrize("dtype", FIELDS, ids=T.Name)
@settings(deadline=None)  # the first call starts TensorFlow
@given(data=st.data())
def test_values_too_few_too_many_and_none_are_read_like_tensorflow(dtype, data):
    field, value = FIELDS[dtype]
    per_item = 2 if "complex" in field else 1
    values = data.draw(st.lists(value, max_size=9 * per_item))
    values = values[: len(values) // per_item * per_item]
    shape = data.draw(st.lists(st.integers(0, 3), max_size=3))
    proto = proto_of(dtype, shape, **{field: values})
    same(to_array(proto), parsed_by_tensorflow(proto))


def test_small_integers_wrap():
    assert to_array(proto_of(T.DT_UINT8, [2], int_val=[300, -1])).tolist() == [44, 255]


def test_the_last_value_is_repeated():
    proto = proto_of(T.DT_INT32, [2, 3], int_val=[1, 2])
    assert to_array(proto).tolist() == [[1, 2, 2], [2, 2, 2]]
    same(to_array(proto), tf.make_ndarray(official(proto)))


def test_content_wins_over_values():
    proto = proto_of(T.DT_UINT8, [2], tensor_content=b"\1\2", int_val=[9])
    assert to_array(proto).tolist() == [1, 2]


def test_a_message_is_read_without_a_copy_of_the_numbers():
    content = np.arange(6, dtype=np.float32).tobytes()
    array = to_array(proto_of(T.DT_FLOAT, [2, 3], tensor_content=content))
    assert not array.flags.owndata


def packed(strings):
    def varint(number):
        digits = bytearray()
        while number >= 0x80:
            digits.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*digits, number])

    return b"".join(varint(len(text)) for text in strings) + b"".join(strings)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6))
def test_strings_in_content(strings):
    proto = proto_of(T.DT_STRING, [len(strings)], tensor_content=packed(strings))
    assert to_array(proto).tolist() == strings
    same(to_array(proto), parsed_by_tensorflow(proto))


@given(st.binary(min_size=1, max_size=12), st.integers(1, 4))
def test_damaged_strings_in_content_are_refused_where_tensorflow_refuses(content, count):
    proto = proto_of(T.DT_STRING, [count], tensor_content=content)
    try:
        expected = parsed_by_tensorflow(proto).tolist()
    except tf.errors.InvalidArgumentError:
        with pytest.raises(TensorError):
            to_array(proto)
    else:
        assert to_array(proto).tolist() == expected


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (proto_of(T.DT_UINT8, [3], tensor_content=b"\1\2"), "2 bytes; uint8 [3] needs 3"),
        (proto_of(T.DT_UINT8, [3], tensor_content=b"\1\2\3\4"), "4 bytes; uint8 [3] needs 3"),
        (proto_of(T.DT_FLOAT, [2], tensor_content=b"\1\2\3\4\5"), "5 bytes"),
        (proto_of(T.DT_FLOAT, [-1, 2]), "unknown dimension"),
        (wire.TensorProto(dtype=T.DT_FLOAT, tensor_shape={"unknown_rank": True}), "unknown dimension"),
        (proto_of(T.DT_INVALID, [1]), "a tensor of invalid"),
        (proto_of(T.DT_RESOURCE, [1]), "a tensor of resource"),
        (proto_of(99, [1]), "99"),
        (proto_of(T.DT_FLOAT, [1] * 65), "rank 65"),
        (proto_of(T.DT_UINT8, [2**40], int_val=[1]), "more than"),
        (proto_of(T.DT_STRING, [2**40]), "more than"),
        (proto_of(T.DT_FLOAT, [0, 2**62, 2**62]), "more than"),
        (proto_of(T.DT_FLOAT, [2**63 - 1, 2**63 - 1, 2**63 - 1, 2]), "more than"),
    ],
)
def test_nonsense_is_refused_before_memory_is_taken(proto, text):
    with pytest.raises(TensorError) as refused:
        to_array(proto)
    assert text in str(refused.value)
    assert isinstance(refused.value, SnowmodeError)


@pytest.mark.parametrize("array", [np.array(["2020-01-01"], "M8[D]"), np.zeros(1, "V4"), np.array([None])])
def test_what_is_no_tensor_is_refused(array):
    with pytest.raises(TensorError):
        to_tensor_proto(array)


def test_text_is_sent_as_utf8_and_byte_order_does_not_matter():
    assert to_array(to_tensor_proto(np.array(["雪", "a"]))).tolist() == ["雪".encode(), b"a"]
    assert to_array(to_tensor_proto(np.array([1, 2], ">i4"))).tolist() == [1, 2]
    assert to_array(to_tensor_proto(np.arange(6).reshape(2, 3).T)).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_names_and_shapes():
    assert tensors.type_name(T.DT_FLOAT) == "float"
    assert tensors.type_name(T.DT_UINT8) == tf.uint8.name
    assert tensors.numpy_dtype(T.DT_HALF) == np.float16
    assert tensors.shape_of(proto_of(T.DT_FLOAT, [-1, 2]).tensor_shape) == (-1, 2)
    assert tensors.shape_of(wire.TensorShapeProto(unknown_rank=True)) is None
