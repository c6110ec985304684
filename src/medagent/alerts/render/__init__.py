"""The same alerts for CloudWatch, Prometheus and Grafana: texts made of the rules alone, equal for equal rules."""
