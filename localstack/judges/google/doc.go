// Package google lets google-cloud-kms and google-auth judge the Google emulator.
package google
