# The reconciler: the values that ExternalSecrets name, and their versions.
path "secret/data/*" {
  capabilities = ["read"]
}
path "secret/metadata/*" {
  capabilities = ["read"]
}
