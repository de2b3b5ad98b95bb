module waflows.dev/tests/chart/tools/prometheus-operator

go 1.26.0

// Its folder example/ holds the definitions of ServiceMonitor and PrometheusRule.
require github.com/prometheus-operator/prometheus-operator v0.85.0
