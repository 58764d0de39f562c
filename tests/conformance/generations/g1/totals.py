def added(total, number):
    return total + number
