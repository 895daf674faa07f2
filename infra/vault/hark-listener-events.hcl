# The listener's ears in Vault Enterprise, beside hark-listener.hcl. The second path covers values too, but
# neither capability reads one. OpenBao and Vault without a licence know no subscribe.
path "sys/events/subscribe/kv*" {
  capabilities = ["read"]
}
path "secret/*" {
  capabilities = ["list", "subscribe"]
}
