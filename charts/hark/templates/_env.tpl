{{/*
The environment of one half, as a dictionary in JSON: first what the first-class values say, then
`env`, then the half's own `env`, each going before the ones before it. Takes {"top", "half"}.
*/}}
{{- define "hark.env" -}}
{{- $values := .top.Values -}}
{{- $aws := $values.credentials.aws -}}
{{- $gcp := $values.credentials.gcp -}}
{{- $vault := $values.credentials.vault -}}
{{- $env := dict
  "LOG_FORMAT" "json"
  "METRICS_PORT" "3001"
  "WATCHED_NAMESPACES" (join "," $values.watchedNamespaces)
  "AWS_REGION" $aws.region
  "GOOGLE_CLOUD_PROJECT" $gcp.project
  "VAULT_ADDR" $vault.address
  "DEFAULT_VAULT_ROLE" $vault.role
  "DEFAULT_VAULT_MOUNT_POINT" $vault.mountPoint
-}}
{{- if $gcp.secretName -}}
{{- $_ := set $env "GOOGLE_APPLICATION_CREDENTIALS" "/etc/hark/gcp/key.json" -}}
{{- end -}}
{{- if eq .half "listener" -}}
{{- with $values.sources -}}
{{- $_ := set $env "HARK_SQS_QUEUE_URLS" (join "," .sqs.queueUrls) -}}
{{- $_ := set $env "HARK_PUBSUB_SUBSCRIPTIONS" (join "," .pubsub.subscriptions) -}}
{{- $_ := set $env "HARK_AZURE_STORAGE_QUEUES" (join "," .storageQueue.urls) -}}
{{- $_ := set $env "HARK_EVENTGRID_SUBSCRIPTIONS" (join "," .eventGrid.subscriptions) -}}
{{- $_ := set $env "HARK_VAULT_SOURCE" .vault.mode -}}
{{- $_ := set $env "HARK_VAULT_POLL_INTERVAL" .vault.pollInterval -}}
{{- $_ := set $env "HARK_VAULT_LISTENER_ROLE" .vault.listenerRole -}}
{{- if .webhook.enabled -}}
{{- $_ := set $env "HARK_WEBHOOK_PORT" (toString .webhook.port) -}}
{{- $_ := set $env "HARK_WEBHOOK_AUTH" .webhook.auth -}}
{{- $_ := set $env "HARK_WEBHOOK_AUDIENCE" .webhook.audience -}}
{{- $_ := set $env "HARK_WEBHOOK_TENANT" .webhook.tenant -}}
{{- $_ := set $env "HARK_WEBHOOK_CALLERS" "/etc/hark/webhook/callers.yaml" -}}
{{- if .webhook.secretsSecretName -}}
{{- $_ := set $env "HARK_WEBHOOK_SECRETS" "/etc/hark/webhook-secrets" -}}
{{- end -}}
{{- if .webhook.tls.secretName -}}
{{- $_ := set $env "HARK_WEBHOOK_TLS_CERT" "/etc/hark/webhook-tls/tls.crt" -}}
{{- $_ := set $env "HARK_WEBHOOK_TLS_KEY" "/etc/hark/webhook-tls/tls.key" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $_ := set $env "HARK_SWEEP_INTERVAL" $values.sweepInterval -}}
{{- end -}}
{{- $env = mergeOverwrite $env $values.env (index $values .half).env -}}
{{- toJson $env -}}
{{- end -}}
