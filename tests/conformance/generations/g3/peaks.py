def higher(peak, number):
    return max(peak, number)
