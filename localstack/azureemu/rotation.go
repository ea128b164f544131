package azureemu

// rotationPolicy is when a vault makes new versions by itself.
type rotationPolicy struct{}
