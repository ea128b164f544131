package pkcs11

import (
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// module is a loaded PKCS #11 library. It stays mapped until the process ends:
// unloading code that keeps state per thread crashes later.
type module struct {
	path  string
	ctx   *p11.Ctx
	owner bool // this module was initialised here, and is finalised here
}

// load maps and initialises a module. One that this process has initialised
// already is shared, and whoever initialised it finalises it.
func load(path string) (*module, error) {
	if err := checkModule(path); err != nil {
		return nil, &broker.Error{
			Kind: broker.Misuse, Op: "load PKCS #11 module", Object: path, Cause: err,
			Hint: "give the absolute path of the vendor's module for this machine",
		}
	}
	ctx := p11.New(path)
	if ctx == nil {
		return nil, &broker.Error{
			Kind: broker.Misuse, Op: "load PKCS #11 module", Object: path, Cause: errors.New("the dynamic linker refuses it"),
			Hint: "a library it needs may be missing: ldd " + path,
		}
	}
	err := named("C_Initialize", false, ctx.Initialize())
	if err != nil && !is(err, p11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return nil, failed("initialise PKCS #11 module", path, err)
	}
	return &module{path: path, ctx: ctx, owner: err == nil}, nil
}

func (m *module) finalize() error {
	if !m.owner {
		return nil
	}
	m.owner = false
	return named("C_Finalize", false, m.ctx.Finalize())
}

// checkModule looks at a file before its code is run: loading it would say only
// that it failed.
func checkModule(path string) error {
	if !filepath.IsAbs(path) {
		return errors.New("it is not an absolute path")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is not a file but %s", info.Mode().Type())
	}
	if lib, err := elf.Open(path); err == nil {
		return errors.Join(checkELF(lib), lib.Close())
	}
	if lib, err := macho.Open(path); err == nil {
		return errors.Join(checkCPU(lib.Cpu.String(), machoCPU()), lib.Close())
	}
	if fat, err := macho.OpenFat(path); err == nil {
		return fat.Close()
	}
	return errors.New("it is not a shared library")
}

func checkELF(lib *elf.File) error {
	if lib.Type != elf.ET_DYN {
		return fmt.Errorf("it is not a shared library but %s", lib.Type)
	}
	if err := checkCPU(lib.Machine.String(), elfCPU()); err != nil {
		return err
	}
	symbols, err := lib.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return fmt.Errorf("read its symbols: %w", err)
	}
	for _, s := range symbols {
		if s.Name == "C_GetFunctionList" && s.Section != elf.SHN_UNDEF {
			return nil
		}
	}
	return errors.New("it is a shared library, but no PKCS #11 module: C_GetFunctionList is missing")
}

// checkCPU: an unknown CPU of our own is no reason to refuse.
func checkCPU(is, want string) error {
	if want == "" || is == want {
		return nil
	}
	return fmt.Errorf("it is for another CPU: %s, this program runs on %s", is, want)
}

func elfCPU() string {
	return map[string]string{
		"amd64": elf.EM_X86_64.String(), "arm64": elf.EM_AARCH64.String(), "386": elf.EM_386.String(),
		"arm": elf.EM_ARM.String(), "ppc64le": elf.EM_PPC64.String(), "s390x": elf.EM_S390.String(), "riscv64": elf.EM_RISCV.String(),
	}[runtime.GOARCH]
}

func machoCPU() string {
	return map[string]string{"amd64": macho.CpuAmd64.String(), "arm64": macho.CpuArm64.String()}[runtime.GOARCH]
}
