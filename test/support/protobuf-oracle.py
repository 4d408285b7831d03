# Builds messages with the reference runtime. One JSON line in, `[TYPE, VALUE]` with bytes as base64; one line out, the message's
# deterministic encoding as base64.

import base64
import json
import sys

from google.protobuf import descriptor_pool, message_factory
from buildstream._protos.build.bazel.remote.execution.v2 import remote_execution_pb2  # noqa: F401
from buildstream._protos.google.bytestream import bytestream_pb2  # noqa: F401
from buildstream._protos.google.longrunning import operations_pb2  # noqa: F401
from google.protobuf.descriptor import FieldDescriptor


def fill(message, value):
    for name, item in value.items():
        field = message.DESCRIPTOR.fields_by_camelcase_name[name]
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if field.label == FieldDescriptor.LABEL_REPEATED:
                for each in item:
                    fill_one(getattr(message, field.name).add(), each)
            else:
                getattr(message, field.name).SetInParent()
                fill_one(getattr(message, field.name), item)
        elif field.label == FieldDescriptor.LABEL_REPEATED:
            getattr(message, field.name).extend(item)
        elif field.type == FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, base64.b64decode(item))
        else:
            setattr(message, field.name, item)


def fill_one(message, value):
    if isinstance(value, str):
        message.ParseFromString(base64.b64decode(value))
    else:
        fill(message, value)


pool = descriptor_pool.Default()
for line in sys.stdin:
    name, value = json.loads(line)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()
    fill(message, value)
    print(base64.b64encode(message.SerializeToString(deterministic=True)).decode())
