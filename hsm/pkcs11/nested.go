package pkcs11

/*
#include <stdlib.h>
#include <string.h>

// CK_ATTRIBUTE of PKCS #11, as it is on everything but Windows.
typedef struct { unsigned long type; void *pValue; unsigned long ulValueLen; } kf_attribute;

static void kf_set(kf_attribute *all, int i, unsigned long type, const void *value, unsigned long length) {
	all[i].type = type;
	all[i].pValue = malloc(length);
	all[i].ulValueLen = length;
	memcpy(all[i].pValue, value, length);
}

static void kf_free(kf_attribute *all, int n) {
	for (int i = 0; i < n; i++) free(all[i].pValue);
	free(all);
}
*/
import "C"

import (
	"unsafe"

	p11 "github.com/miekg/pkcs11"
)

// nested is a template as the value of an attribute. It lies in C memory, for the
// library passes bytes alone, and those that it is made of point at others. free it
// after the call.
func nested(kind uint, t template) (a *p11.Attribute, free func()) {
	all := (*C.kf_attribute)(C.calloc(C.size_t(len(t)), C.size_t(unsafe.Sizeof(C.kf_attribute{}))))
	for i, a := range t {
		C.kf_set(all, C.int(i), C.ulong(a.Type), unsafe.Pointer(&a.Value[0]), C.ulong(len(a.Value)))
	}
	raw := C.GoBytes(unsafe.Pointer(all), C.int(len(t)*int(unsafe.Sizeof(C.kf_attribute{}))))
	return p11.NewAttribute(kind, raw), func() { C.kf_free(all, C.int(len(t))) }
}
