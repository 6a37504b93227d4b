/** Gives a class of errors its name, on the prototype: it survives minifiers and costs nothing per error. */
export function named(errorClass: { readonly prototype: object }, name: string): void {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, configurable: true, writable: true });
}
