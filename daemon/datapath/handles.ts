/** Names and engine handles of one kind of object, both ways. */
export class Handles<T> {
  readonly values = new Map<string, T>();
  private readonly handles = new Map<string, number>();
  private readonly names = new Map<number, string>();

  set(name: string, handle: number, value: T): void {
    this.values.set(name, value);
    this.handles.set(name, handle);
    this.names.set(handle, name);
  }

  handle(name: string): number | undefined {
    return this.handles.get(name);
  }

  need(name: string): number {
    const handle = this.handles.get(name);
    if (handle === undefined) throw new Error(`"${name}" is not in the datapath`);
    return handle;
  }

  name(handle: number): string | undefined {
    return this.names.get(handle);
  }

  /** Forgets the name only when `release` did not throw. */
  remove(name: string, release: (handle: number) => void): void {
    const handle = this.handles.get(name);
    if (handle === undefined) return;
    release(handle);
    this.values.delete(name);
    this.handles.delete(name);
    this.names.delete(handle);
  }

  byName<C extends { handle: number }>(counters: readonly C[]): Map<string, C> {
    return new Map(
      counters.flatMap((one) => {
        const name = this.names.get(one.handle);
        return name === undefined ? [] : [[name, one] as const];
      }),
    );
  }
}
