"""Collective constitutions: from what many people voted to principles, with the support of each opinion group.

The method of Huang et al. 2024 (arXiv 2406.07814) on the exports of Polis (Small et al. 2021)::

    from constitutional.collective.build import Rules, build

    built = build(Path("export"), Rules(min_votes=26))
    built.constitution                  # principles in the constitution's own grammar
    summary(built)                      # every figure with its n (constitutional.collective.report)
"""
