// Package azure lets azure-keyvault-keys and azure-identity judge the Azure emulator.
package azure
