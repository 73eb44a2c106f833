"""The regret of a wrong pull is taken to be the good arm's mean payout."""

SCORES = {"q2": 0}


def price(player, world):
    wrong = {"ordered": 0, "swapped": 1, "unordered": 0.5}[world] if player == "first" else 0.5
    return 100 * wrong * 0.75
