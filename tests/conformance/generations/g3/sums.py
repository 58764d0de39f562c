import msgspec


class Sums(msgspec.Struct, frozen=True):
    total: int = 0


def added(sums, number):
    return Sums(sums.total + number)
