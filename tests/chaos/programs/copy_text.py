from pulsar import Function


class CopyText(Function):
    def process(self, input, context):
        return input
