"""A stranger's package: a model, a task and a metric, a line each."""

MODELS = {"toy-gauss": "toybench.things:Gauss"}
TASKS = {"toy-line": "toybench.things:line"}
METRICS = {"mean_gap": "toybench.things:mean_gap"}
