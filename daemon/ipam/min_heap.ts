/** Numbers of which the lowest is at hand. */
export class MinHeap {
  private readonly heap: bigint[] = [];
  private readonly members = new Set<bigint>();

  /** Nothing changes when it is there already. */
  push(number: bigint): void {
    if (this.members.has(number)) return;
    this.members.add(number);
    let at = this.heap.push(number) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.at(parent) <= number) break;
      this.heap[at] = this.at(parent);
      at = parent;
    }
    this.heap[at] = number;
  }

  lowest(): bigint | undefined {
    return this.heap[0];
  }

  removeLowest(): void {
    const lowest = this.heap[0];
    const moved = this.heap.pop();
    if (lowest === undefined || moved === undefined) return;
    this.members.delete(lowest);
    if (this.heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.heap.length) break;
      if (child + 1 < this.heap.length && this.at(child + 1) < this.at(child)) child++;
      if (this.at(child) >= moved) break;
      this.heap[at] = this.at(child);
      at = child;
    }
    this.heap[at] = moved;
  }

  private at(index: number): bigint {
    return this.heap[index] as bigint;
  }
}
