"""90 % intervals that stay honest for few trades, few losses and windows that overlap.

Windows of several slots that are open at the same time share one underlying move, so their trades are not independent
witnesses: trades whose windows overlap in time are one cluster. Two methods are used.

- The win rate: Clopper and Pearson's exact interval (Biometrika 26(4), 1934) on an effective number of trials, as Korn
  and Graubard propose for clustered samples with few events (Survey Methodology 24(2), 1998). The effective number is
  Kish's n² / Σ n_g² (Survey Sampling, 1965): as if the trades of one cluster told one thing.
- The edge: the wider, at each end, of the cluster-robust t interval (Cameron and Miller, Journal of Human Resources
  50(2), 2015, with G - 1 degrees of freedom) and of what the win rate's interval implies. The first sees the sizes of
  wins and losses; alone it would call ten wins without a loss a certain profit, since a loss that did not happen has
  no variance. The second says that a loss costs the whole stake and may just not have come up yet.
"""

from collections.abc import Sequence

from foresight.results.distributions import beta_quantile, student_quantile

LEVEL = 0.90
Interval = tuple[float, float]
Span = tuple[int, int]


def clusters_of(spans: Sequence[Span]) -> list[int]:
    """The number of the cluster of each (start, end) span: spans that overlap, directly or through others, share one.
    Spans that only touch do not overlap."""
    numbers = [0] * len(spans)
    cluster, reach = -1, None
    for index in sorted(range(len(spans)), key=lambda position: spans[position]):
        start, end = spans[index]
        if reach is None or start >= reach:
            cluster, reach = cluster + 1, end
        reach = max(reach, end)
        numbers[index] = cluster
    return numbers


def effective_number(clusters: Sequence[int]) -> float:
    """n² / Σ n_g²: the number of clusters when all are of one size, less when some are larger. 0 for no trades."""
    if not clusters:
        return 0.0
    return len(clusters) ** 2 / sum(size**2 for size in _sizes(clusters).values())


def win_rate_interval(win_rate: float, trials: float) -> Interval:
    """Clopper and Pearson's interval; `trials` may be a fraction."""
    tail = (1 - LEVEL) / 2
    wins, losses = win_rate * trials, (1 - win_rate) * trials
    low = beta_quantile(tail, wins, losses + 1) if wins > 0 else 0.0
    high = beta_quantile(1 - tail, wins + 1, losses) if losses > 0 else 1.0
    return low, high


def edge_interval(edges: Sequence[float], clusters: Sequence[int], *, cost: float) -> Interval:
    """The interval of the mean of `edges` (dollars per share, a win above zero); `cost` is what a share cost with its
    fee: what a loss loses, where none was seen."""
    wins = [edge for edge in edges if edge > 0]
    losses = [edge for edge in edges if edge <= 0]
    gain = sum(wins) / len(wins) if wins else 1 - cost
    loss = sum(losses) / len(losses) if losses else -cost
    exact = win_rate_interval(len(wins) / len(edges), effective_number(clusters))
    implied = tuple(share * gain + (1 - share) * loss for share in exact)
    robust = _cluster_robust(edges, clusters)
    return (implied[0], implied[1]) if robust is None else (min(implied[0], robust[0]), max(implied[1], robust[1]))


def _cluster_robust(edges: Sequence[float], clusters: Sequence[int]) -> Interval | None:
    """None for fewer than two clusters."""
    count, groups = len(edges), len(set(clusters))
    if groups < 2:
        return None
    mean = sum(edges) / count
    sums: dict[int, float] = dict.fromkeys(clusters, 0.0)
    for edge, cluster in zip(edges, clusters, strict=True):
        sums[cluster] += edge - mean
    variance = groups / (groups - 1) * sum(value**2 for value in sums.values()) / count**2
    reach = student_quantile((1 + LEVEL) / 2, groups - 1) * variance**0.5
    return mean - reach, mean + reach


def _sizes(clusters: Sequence[int]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for cluster in clusters:
        sizes[cluster] = sizes.get(cluster, 0) + 1
    return sizes
