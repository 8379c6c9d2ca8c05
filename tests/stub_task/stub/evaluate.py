"""Relative errors."""


def table(networks, others, test):
    def errors(found):
        return [abs(float(y) - 3 * x) / (3 * x) for y, x in zip(found, test, strict=True)]

    return {
        "network": {"nrmse": errors([y[0] for y in networks])},
        "guess": {"nrmse": errors(others)},
    }
