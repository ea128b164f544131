// Package aws lets boto3 judge the AWS emulator.
package aws
