"""Does Orhan & Ma (2019) reproduce? The study, its claims and its scorecard."""
